"""The one place that decides who may do what. Import from here what the rest of the project needs."""

from pilot.access.context import (
    Actor,
    acting,
    action,
    current,
    current_or_none,
    note_decision,
    patient_of,
)
from pilot.access.policies import NotVisible, can, check, may, visible_to
from pilot.access.roles import ROLES, SIGNED_IN_ROLES, Permission, Reach, Role, reach_of

__all__ = [
    "ROLES",
    "SIGNED_IN_ROLES",
    "Actor",
    "NotVisible",
    "Permission",
    "Reach",
    "Role",
    "acting",
    "action",
    "can",
    "check",
    "current",
    "current_or_none",
    "may",
    "note_decision",
    "patient_of",
    "reach_of",
    "visible_to",
]
