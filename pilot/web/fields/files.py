"""The field for a file to upload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pilot.web.fields.base import DesignedField, DesignField, Params


class FileField(DesignedField, forms.FileField):
    """A file to upload, of one of the `endings`, no larger than `megabytes`."""

    component = "fileUpload"
    default_missing = _("Choose a file")
    default_missing_answer = _("Choose a file")

    def __init__(self, *args: Any, endings: Sequence[str], megabytes: int = 10, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.endings = tuple(ending.lower() for ending in endings)
        self.megabytes = megabytes
        self.error_messages["empty"] = _("The file is empty. Choose another one")

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = forms.FileField.clean(self, data, initial)
        if isinstance(file, UploadedFile):
            self._check(file)
        return file

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {"attributes": {"accept": ",".join(self.endings)}, **super().parameters(bound, **options)}

    def draw(self, params: Params) -> SafeString:
        # Without the component's script: the button it makes has a name that hides the words written on it,
        # so somebody who speaks to their computer cannot press it.
        return SafeString(super().draw(params).replace(' data-module="nhsuk-file-upload"', ""))

    def _check(self, file: UploadedFile) -> None:
        if PurePath(file.name or "").suffix.lower() not in self.endings:
            endings = gettext(" or ").join(self.endings)
            raise ValidationError(
                _("Choose a file that ends in %(endings)s"), code="ending", params={"endings": endings}
            )
        if (file.size or 0) > self.megabytes * 1024 * 1024:
            message = _("The file must be smaller than %(megabytes)d MB. Split it and send it in parts")
            raise ValidationError(message, code="size", params={"megabytes": self.megabytes})
