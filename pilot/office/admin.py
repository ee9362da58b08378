"""Django's admin, for what the office's own pages do not do: writing and publishing the charter and information sheets,
and looking up what became of an organisation. Configuration only; nothing about a patient, no account, no grant.

Every page of it is a page of ours: one door, one decision, one transaction, and actions alone write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.history import revision_of
from consent.models import InformationSheet
from consent.publishing.actions import discard_sheet, publish_sheet, write_sheet
from pilot.access import Permission, may
from pilot.charter.actions import discard_charter, publish_charter, write_charter
from pilot.charter.models import PARTS, QUESTIONS, Charter
from pilot.office import selectors
from pilot.people.actions import StaleVersion
from pilot.people.models import Organisation
from pilot.web.views import PilotView

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

View = Callable[..., HttpResponseBase]
READ = ["get", "head"]
WRITE = [*READ, "post"]


class AdminPage(PilotView):
    """A view of the admin behind the door that all pages have."""

    is_base = True
    permission = Permission.MANAGE_PILOT
    inner: ClassVar[View]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return type(self).inner(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return type(self).inner(request, *args, **kwargs)


class OfficeSite(admin.AdminSite):
    """The site: no sign-in of its own, no list of "recent actions" (the log is elsewhere), no generic shortcuts."""

    site_header = site_title = gettext_lazy("Charter and information sheets")
    index_title = gettext_lazy("Charter, information sheets, organisations")
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether it is a pilot manager, acting as one now. Being a Django superuser opens nothing."""
        actor = getattr(request, "actor", None)
        return actor is not None and may(actor, Permission.MANAGE_PILOT)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return self.page(view, READ)

    def page(self, view: View, methods: list[str], about: Mapping[str, type] | None = None) -> View:
        """The view as a page of ours, which takes these kinds of request."""
        name = f"Admin_{getattr(view, '__name__', 'view')}"
        own = {"permission": Permission.MANAGE_PILOT, "inner": staticmethod(view), "about": about or {}}
        return type(name, (AdminPage,), {**own, "http_method_names": methods}).as_view()  # type: ignore[attr-defined]

    def get_urls(self) -> list[Any]:
        labels = {model._meta.app_label for model in self._registry}
        return [
            path("", self.admin_view(self.index), name="index"),
            path("login/", self.admin_view(self.login), name="login"),
            path("logout/", self.admin_view(self.logout), name="logout"),
            *(
                path(f"{label}/", self.admin_view(self.app_index), {"app_label": label}, name="app_list")
                for label in sorted(labels)
            ),
            *(
                path(f"{model._meta.app_label}/{model._meta.model_name}/", include(each.get_urls()))
                for model, each in self._registry.items()
            ),
        ]

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Visitors never come here: they are led to our own sign-in, and back."""
        return HttpResponseRedirect(reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # type: ignore[override]
        return HttpResponseRedirect(reverse("account_logout"))

    def get_log_entries(self, request: HttpRequest) -> Any:
        return []


class Configuration(admin.ModelAdmin):
    """A model of the office's configuration, to look at. Its history is the one that the database keeps."""

    actions = None
    ordering = ("-pk",)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.admin_site.has_permission(request)

    has_module_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("", "changelist", self.changelist_view, READ),
            self._path("<str:object_id>/change/", "change", self.change_view, READ),
            self._path("<str:object_id>/history/", "history", self.history_view, READ),
        ]

    def _path(self, route: str, name: str, view: View, methods: list[str]) -> URLPattern:
        about = {"object_id": self.model} if "<" in route else None
        page = self.admin_site.page(view, methods, about)  # type: ignore[attr-defined]
        return path(route, page, name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")

    def row(self, request: HttpRequest, object_id: str) -> Any:
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        return found

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        raise Http404

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.row(request, object_id)
        return self.show(request, "admin/history.html", row, _("History"), changes=selectors.changes_of(row))

    def show(
        self, request: HttpRequest, template: str, row: Any, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page of our own about one row, in the admin's frame."""
        names = {"title": title, "subtitle": str(row), "original": row, "opts": self.opts}
        context = {**self.admin_site.each_context(request), **names, **context}
        return TemplateResponse(request, template, context, status=status)

    def address(self, name: str, row: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=[row.pk])

    # The admin's own notes stay off: what the database writes by itself cannot be forgotten.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """Nothing."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """Nothing."""


class DraftForm(forms.ModelForm):
    """A draft, and which state of it the person saw: what somebody else saved meanwhile is not overwritten."""

    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stands = revision_of(self.instance) if self.instance.pk else 0
        self.initial["seen"] = self.stands
        self.is_stale = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.instance.pk and cleaned.get("seen") != self.stands:
            self.is_stale = True
            self._show_what_is_saved(cleaned)
        return cleaned

    def _show_what_is_saved(self, cleaned: dict[str, Any]) -> None:
        self.data = self.data.copy()  # type: ignore[attr-defined]
        self.data["seen"] = str(self.stands)  # type: ignore[index]
        self.add_error(
            None,
            _(
                "Somebody else changed this while you were writing. Nothing you wrote is lost. "
                "Compare it with what is saved now, and save again."
            ),
        )
        for name in self._meta.fields or ():
            saved = self.initial.get(name)
            if name in cleaned and cleaned[name] != saved:
                self.add_error(name, _("Saved now: %(text)s") % {"text": saved})


@dataclass(frozen=True)
class Verbs:
    """The actions that a draft goes through, and how people read it: each heading with its text."""

    write: Callable[..., Any]
    publish: Callable[..., Any]
    discard: Callable[..., Any]
    read: Callable[[Any], list[tuple[_StrOrPromise, Any]]]


class Draft(Configuration):
    """A model that is written as a draft and published once, for ever. Published, it can only be looked at."""

    words: ClassVar[tuple[str, ...]]
    verbs: ClassVar[Verbs]

    form = DraftForm
    ordering = ("-version",)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.admin_site.has_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.admin_site.has_permission(request) and (obj is None or obj.published_at is None)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and obj.published_at is not None:
            return [*self.words, "published_at"]
        return [*self.words, "seen"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The latest version's words, to go on from, under the next number."""
        latest = self.get_queryset(request).order_by("-version").first()
        if latest is None:
            return {"version": 1}
        return {**forms.model_to_dict(latest, self.words), "version": latest.version + 1}

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("", "changelist", self.changelist_view, READ),
            self._path("add/", "add", self.add_view, WRITE),
            self._path("<str:object_id>/change/", "change", self.change_view, WRITE),
            self._path("<str:object_id>/history/", "history", self.history_view, READ),
            self._path("<str:object_id>/publish/", "publish", self.publish_view, WRITE),
            self._path("<str:object_id>/discard/", "discard", self.discard_view, WRITE),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = context.get("original")
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        if row is not None and row.published_at is None:
            context |= {"publish": self.address("publish", row), "discard": self.address("discard", row)}
        response = super().render_change_form(request, context, *args, **kwargs)
        if context["errors"]:
            response.status_code = 409 if context["adminform"].form.is_stale else 422
        return response

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        self.verbs.write(obj, seen=form.cleaned_data.get("seen") or 0, by=request.actor)

    def publish_view(self, request: Any, object_id: str) -> HttpResponse:
        """What it says, as people will read it, and the button that makes it so for ever."""
        row = self._draft(request, object_id)
        stands = revision_of(row)
        problem, status = "", 200
        if request.method == "POST":
            seen = request.POST.get("seen", "")
            try:
                self.verbs.publish(
                    row, seen=int(seen) if seen.isdecimal() and len(seen) < 19 else 0, by=request.actor
                )
            except StaleVersion:
                problem, status = (
                    _("Somebody else changed it meanwhile. Read it again before you publish it."),
                    409,
                )
            except ValidationError as refusal:
                problem, status = " ".join(refusal.messages), 422
            else:
                messages.success(request, _("Published."))
                return HttpResponseRedirect(self.address("change", row))
        context = {"parts": self.verbs.read(row), "seen": stands, "problem": problem}
        return self.show(request, "admin/publish.html", row, _("Publish this version?"), status, **context)

    def discard_view(self, request: Any, object_id: str) -> HttpResponse:
        row = self._draft(request, object_id)
        if request.method == "POST":
            self.verbs.discard(row, by=request.actor)
            messages.success(request, _("The draft is thrown away."))
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            )
        return self.show(request, "admin/discard.html", row, _("Throw this draft away?"))

    def _draft(self, request: HttpRequest, object_id: str) -> Any:
        row = self.row(request, object_id)
        if row.published_at is not None:
            raise Http404
        return row


class CharterForm(DraftForm):
    class Meta:
        model = Charter
        fields = ("version", *PARTS)
        labels = PARTS
        help_texts = dict.fromkeys(QUESTIONS, gettext_lazy("Markdown."))


class CharterAdmin(Draft):
    form = CharterForm
    words = CharterForm.Meta.fields
    verbs = Verbs(write_charter, publish_charter, discard_charter, read=lambda charter: [*charter.parts])
    list_display = ("__str__", "published_at")


class SheetForm(DraftForm):
    class Meta:
        model = InformationSheet
        fields = ("version", "language", "format", "readers", "change", "title", "text", "what_changed")


def _parts_of_sheet(sheet: InformationSheet) -> list[tuple[Any, Any]]:
    changed = [(_("What has changed"), sheet.what_changed_html)] if sheet.what_changed else []
    return [(sheet.title, sheet.html), *changed]


class SheetAdmin(Draft):
    form = SheetForm
    words = SheetForm.Meta.fields
    verbs = Verbs(write_sheet, publish_sheet, discard_sheet, read=_parts_of_sheet)
    list_display = ("__str__", "language", "format", "readers", "change", "declared_by", "published_at")
    list_filter = ("format", "language", "readers")


class OrganisationAdmin(Configuration):
    """To look at, with what happened to it. The office's own pages change it."""

    fields = ("kind", "name", "ods_code", "phone", "served_by", "valid_from", "valid_until")
    list_display = ("name", "kind", "ods_code", "served_by", "valid_from", "valid_until")
    list_filter = ("kind",)
    search_fields = ("name", "ods_code")
    ordering = ("name",)

    def view_on_site(self, obj: Organisation) -> str:
        return reverse("office:organisation", args=[obj.pk])


site = OfficeSite(name="admin")
site.register(Charter, CharterAdmin)
site.register(InformationSheet, SheetAdmin)
site.register(Organisation, OrganisationAdmin)
