"""The base of every page. Fetching and rendering happen inside `acting(…)`; refusals are logged.

A view names its `permission` or fails at import; a public one says instead why it needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View

from audit.actions import record_refusal
from audit.privacy import Personal
from pilot.access import Actor, Permission, Role, acting, check, note_decision
from pilot.access.context import Context
from pilot.people.actions import StaleVersion
from pilot.people.models import Organisation
from pilot.web import actions, errors
from pilot.web.exemptions import itself
from pilot.web.forms import VERSION, Form, hidden_fields, read_form_key
from pilot.web.middleware import PilotRequest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from django.utils.functional import _StrOrPromise

# More of them are no version: Python refuses to read a number of thousands of digits.
MOST_DIGITS = 19

# Every view that needs no permission, and why. A test pins its length.
PUBLIC_VIEWS: dict[str, str] = {}


class BaseView(View):
    """One door for every request: one transaction, one actor, one named action, rendering included.

    `known_as` is the page's name in the log, where its own would tell too much. `about` says what the parts of its
    address name, each a model or a vocabulary; `about_self` of which model the row is that is found by who is signed
    in. From these and the permissions `pilot.web.expectations` derives who is answered what. A page about somebody's
    row that has not asked whether the actor may see that row is rolled back.
    """

    known_as: ClassVar[str] = ""
    # A part called like a column of its model carries that column, any other the key.
    about: ClassVar[Mapping[str, type]] = {}
    about_self: ClassVar[type[models.Model] | None] = None
    # The row of `about_self` is there only while consent stands: after a withdrawal the page is not found.
    ends_with_consent: ClassVar[bool] = False

    request: PilotRequest

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._require_door()

    @classmethod
    def _require_door(cls) -> None:
        # A mixin brings one of its own, or a decorator puts one there after the class was made.
        if cls.dispatch is not BaseView.dispatch:
            raise ImproperlyConfigured(f"{cls.__qualname__} would go round the door: use `respond()`.")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        cls._require_door()
        return itself(super().as_view(**initkwargs))

    @classmethod
    def is_there_for(cls, role: Role, **arguments: Any) -> bool:
        """Whether such a page exists for people in this role at all; `arguments` are those of `as_view`. To others it
        answers 404: it is asked in `get_row`.
        """
        return True

    @classmethod
    def rows_named(cls) -> list[type[models.Model]]:
        """The models of personal rows that the page is about."""
        named = [*cls.about.values(), *([cls.about_self] if cls.about_self else [])]
        return [each for each in named if isinstance(getattr(each, "privacy", None), Personal)]

    @property
    def actor(self) -> Actor:
        """Who acts: the person, in their acting role."""
        if self.request.actor is None:
            raise PermissionDenied
        return self.request.actor

    @property
    def organisation(self) -> Organisation:
        """Where the person acts. Refused for patients, who act nowhere but in their own record."""
        if self.request.membership is None:
            raise PermissionDenied
        return self.request.membership.organisation

    def authorise(self) -> None:
        """Raise unless the acting role may open this kind of page at all. Rows are checked later."""
        raise NotImplementedError

    def open_door(self) -> AbstractContextManager[Any]:
        match, reference = self.request.resolver_match, getattr(self.request, "reference", "")
        name = f"{match.app_name or 'web'}.{match.url_name}" if match else "web.page"
        name = self.known_as or name
        return acting(self.actor, name, request=reference)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            # Asked twice: whoever may not open it gets no transaction for it, and inside the door the answer is noted.
            self.authorise()
            with self.open_door() as context:
                self.authorise()
                response = self.respond(request, *args, **kwargs)
                if response.streaming:
                    raise ImproperlyConfigured("A stream would read the database after the door has closed.")
                if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                    # Now, not later: what is lazy would find the database empty, and the look unrecorded.
                    response.render()
                self.require_decision(context)
        except (PermissionDenied, Http404) as refusal:
            self.note_refusal()
            return errors.refused(request, refusal)
        except StaleVersion:
            return errors.conflict(request)
        return response

    def respond(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)

    def require_decision(self, context: Context | None) -> None:
        """Raise, so that everything is rolled back, unless it was decided that this actor may do this with these rows."""
        decided: set[Any] = context.decisions if context else set()
        missing = [model.__name__ for model in self.rows_named() if model not in decided]
        if None not in decided or missing:
            about = ", ".join(missing) or "the role"
            raise ImproperlyConfigured(
                f"{type(self).__module__}.{type(self).__qualname__} answered without asking pilot.access about {about}."
            )

    def note_refusal(self) -> None:
        """Log the refusal, and which row was asked for, in a transaction of its own: the refused one is gone."""
        with self.open_door():
            record_refusal(*self._asked_for())

    def _asked_for(self) -> tuple[str, str] | tuple[()]:
        """The table and the key in the address. What else somebody may have typed there is not kept."""
        for name, model in self.about.items():
            key = getattr(self, "kwargs", {}).get(name)
            if isinstance(model, type) and issubclass(model, models.Model) and isinstance(key, UUID | int):
                return model._meta.db_table, str(key)[:80]
        return ()


class PilotView(BaseView):
    """A view for people whose acting role holds `permission`; sending something needs `acts_with` too, where named."""

    permission: ClassVar[Permission]
    acts_with: ClassVar[Permission | None] = None
    is_base: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__dict__.get("is_base") and not isinstance(getattr(cls, "permission", None), Permission):
            raise ImproperlyConfigured(
                f"{cls.__module__}.{cls.__qualname__} names no permission. Who may open it? "
                "A page for everybody is a PublicView and says why."
            )

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = super().as_view(**initkwargs)
        view.needs_role = True  # type: ignore[attr-defined]
        return view

    @classmethod
    def permissions(cls, method: str) -> tuple[Permission, ...]:
        """What the role must hold for a request of this kind."""
        return (cls.permission, cls.acts_with) if cls.acts_with and method == "POST" else (cls.permission,)

    def authorise(self) -> None:
        for permission in self.permissions(self.request.method or ""):
            check(self.actor, permission)


class PublicView(BaseView):
    """A view that needs no permission, and `why`. Unless it says `signed_in`, visitors may open it too.

    It sees nothing personal, unless the person who opens it may, or it `acts_as` the system under a name:
    then it sees what the system sees, and checks what it was given (a code, a date of birth) by itself.
    """

    why: ClassVar[str]
    signed_in: ClassVar[bool] = False
    acts_as: ClassVar[str] = ""
    is_base: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("is_base"):
            return
        if not getattr(cls, "why", ""):
            raise ImproperlyConfigured(
                f"{cls.__module__}.{cls.__qualname__} does not say why it needs no permission."
            )
        PUBLIC_VIEWS[f"{cls.__module__}.{cls.__qualname__}"] = cls.why

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = super().as_view(**initkwargs)
        view.login_required = cls.signed_in  # type: ignore[attr-defined]
        return view

    @property
    def actor(self) -> Actor:
        return Actor.system(self.acts_as) if self.acts_as else super().actor

    def open_door(self) -> AbstractContextManager[Any]:
        if self.acts_as or getattr(self.request, "actor", None):
            return super().open_door()
        return nullcontext()

    def authorise(self) -> None:
        """Everybody may, and `why` says so: that is the decision."""
        note_decision(None)

    def require_decision(self, context: Context | None) -> None:
        # Without a door there is nothing personal to decide about: the database shows none of it.
        if context is not None:
            super().require_decision(context)

    def note_refusal(self) -> None:
        if self.acts_as or getattr(self.request, "actor", None):
            super().note_refusal()


class PageParts(BaseView):
    """What a page shows. Set `template_name` and `title`; give the rest in `context()`."""

    template_name: ClassVar[str]
    title: _StrOrPromise = ""
    # Where the page belongs, in the window's title; the organisation's name when left empty.
    section: _StrOrPromise = ""

    row: Any = None

    def get_row(self) -> Any:
        """The row that the page is about, found by a selector and checked; afterwards it is `self.row`."""
        return None

    def context(self) -> dict[str, Any]:
        """What the template needs."""
        return {}

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        """The way back: (label, address) of each page above this one."""
        return []

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.show()

    def respond(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.row = self.get_row()
        return super().respond(request, *args, **kwargs)

    def show(self, *, status: int = 200, **more: Any) -> TemplateResponse:
        """The page itself, rendered before the door closes."""
        context = {
            "title": self.title,
            "section": self.section,
            "row": self.row,
            "breadcrumbs": self.breadcrumbs(),
            **self.context(),
            **more,
        }
        return TemplateResponse(self.request, self.template_name, context, status=status)

    def say(self, message: _StrOrPromise) -> None:
        """Show this on the next page, as something that went well. Name nobody: it waits in the session."""
        messages.success(self.request, str(message))


class FormParts(PageParts):
    """A page with a form. Set `form_class`; `act(form)` does the deed and says where to go next.

    A form sent twice acts once and leads to the same place. What an action refuses, as a `ValidationError`,
    is shown at its field with everything the person wrote. With `edits_row`, a row that changed meanwhile
    is answered 409.
    """

    template_name = "layouts/form.jinja"
    form_class: ClassVar[type[Form]] = Form
    submit_label: _StrOrPromise = gettext_lazy("Continue")
    # "warning" for what cannot be undone.
    submit_variant: ClassVar[str] = ""
    # The row is the one that the form changes: its `version` is guarded.
    edits_row: ClassVar[bool] = False

    def act(self, form: Form) -> str:
        """Do it, by one action, and return the address to go to. `ValidationError` for what cannot be."""
        raise NotImplementedError

    def initial(self) -> dict[str, Any]:
        """What the fields say at first; for an edited row, what is saved."""
        return {}

    def form_arguments(self) -> dict[str, Any]:
        """What the form's `__init__` takes beyond the usual."""
        return {}

    @property
    def row_version(self) -> int:
        """The version that is saved, of what the form changes."""
        version: int = self.row.version
        return version

    @property
    def version(self) -> int:
        """The version of the row that the person saw when they began."""
        posted = self.request.POST.get(VERSION, "")
        return int(posted) if posted.isascii() and posted.isdecimal() and len(posted) < MOST_DIGITS else 0

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.show_form(self._form())

    def post(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        form = self._form(request.POST, request.FILES)
        key = read_form_key(request)
        if key is None:
            form.add_error(
                None, _("This page was open for a long time. Check your answers and send them again.")
            )
            return self.show_stale(form) if self._is_stale() else self.show_form(form, status=422)
        try:
            # What did not happen leaves no key behind, so the corrected form may use it.
            with transaction.atomic():
                led_to = actions.claim_key(key)
                if led_to is None and (led_to := self._try(form)):
                    actions.settle_key(key, led_to)
                if led_to:
                    return HttpResponseRedirect(led_to)
                transaction.set_rollback(True)
        except ValidationError as refusal:
            form.refuse(refusal)
        except StaleVersion:
            self.row = self.get_row()
            return self.show_stale(form)
        return self.show_form(form, status=422)

    def show_stale(self, form: Form) -> HttpResponse:
        """The form with all that was written in it, beside what is saved now: 409."""
        saved = self.initial()
        return self.show_form(form, status=409, now_saved=form.differences(saved), is_compared=bool(saved))

    def show_form(self, form: Form, **more: Any) -> HttpResponse:
        version = self.row_version if self.edits_row else None
        return self.show(
            form=form,
            hidden=hidden_fields(self.request, version),
            submit_label=self.submit_label,
            submit_variant=self.submit_variant,
            **more,
        )

    def _is_stale(self) -> bool:
        return self.edits_row and self.version != self.row_version

    def _try(self, form: Form) -> str:
        is_valid = form.is_valid()
        if self._is_stale():
            raise StaleVersion
        if not is_valid:
            return ""
        led_to = self.act(form)
        form.acted(self)
        return led_to

    def _form(self, *data: Any) -> Form:
        form = self.form_class(*data, initial=self.initial(), **self.form_arguments())
        form.shown_on(self)
        return form


class Page(PageParts, PilotView):
    """A page for people whose role holds `permission`."""

    is_base = True


class FormPage(FormParts, PilotView):
    """A page with a form, for people whose role holds `permission`."""

    is_base = True


class PublicPage(PageParts, PublicView):
    """A page for everybody, and `why`."""

    is_base = True


class PublicFormPage(FormParts, PublicView):
    """A page with a form for everybody, and `why`."""

    is_base = True
