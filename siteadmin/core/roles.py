"""Who may do what, in five words; each role but uploader adds to the one before it (contract, section 3)."""

from django.db import models


class Role(models.TextChoices):
    """Roles of API keys, and names of the Django groups that give a person the same."""

    UPLOADER = "uploader", "Uploader: sends pictures and detections of its own cameras, nothing else"
    VIEWER = "viewer", "Viewer: sees cameras, snapshots, detections, events and alerts"
    REVIEWER = "reviewer", "Reviewer: also reviews events and acknowledges alerts"
    OPERATOR = "operator", "Operator: also manages cameras, rules, channels and deliveries"
    ADMIN = "admin", "Admin: everything, users and keys included"

    def includes(self, other: "Role") -> bool:
        """Tell whether whoever has this role may do what the other role may."""
        if Role.UPLOADER in (self, other):
            return self is other or self is Role.ADMIN or (self is Role.OPERATOR and other is Role.UPLOADER)
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)
