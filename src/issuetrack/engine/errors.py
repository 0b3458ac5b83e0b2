"""Every error the engine raises, as one tree.

IssueTrackError                     failure
+-- UsageError                      usage
|   +-- QuerySyntaxError            usage
|   +-- ImportFormatError           usage
+-- PermissionDenied                permission_denied
|   +-- RemoteForbidden             remote_forbidden
+-- AuthenticationError             authentication
|   +-- LockedError                 locked
|   +-- WrongKeyError               wrong_key
|   +-- TamperedError               tampered
|   +-- CredentialError             credential_refused
+-- InputNeeded                     input_needed
+-- NotFoundError                   not_found
+-- RemoteUnreachable               remote_unreachable
|   +-- RemoteAnswerError           remote_answer
+-- ModelError                      model_unavailable
|   +-- ModelFileError              model_unavailable
|   +-- ContextOverflow             model_unavailable
|   +-- ModelCancelled              model_unavailable
+-- StoreError                      store
|   +-- SchemaTooNew                schema_too_new
|   +-- WorkspaceExists             workspace_exists
|   +-- DiskFull                    disk_full
|   +-- ConflictError               conflict
"""

from pathlib import Path

REINSTALL = "reinstall the package: pip install --force-reinstall issuetrack"


class IssueTrackError(Exception):
    """What went wrong, and where known what to do about it.

    Attributes:
        code: stable machine-readable name of the condition.
        message: one line of cause.
        hint: one line of remedy, or None.
    """

    code = "failure"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(IssueTrackError):
    """The request itself cannot be understood."""

    code = "usage"


class QuerySyntaxError(UsageError):
    """A term of the query language is wrong; the message points at it."""


class ImportFormatError(UsageError):
    """A file is not what its format promises."""


class PermissionDenied(IssueTrackError):  # noqa: N818 - the condition's own name
    """The actor's role does not allow the action."""

    code = "permission_denied"


class RemoteForbidden(PermissionDenied):
    """A tracker does not let the credential do something."""

    code = "remote_forbidden"


class AuthenticationError(IssueTrackError):
    """The workspace does not open for whoever asks."""

    code = "authentication"


class LockedError(AuthenticationError):
    """No key was offered."""

    code = "locked"


class WrongKeyError(AuthenticationError):
    """A key was offered and does not fit."""

    code = "wrong_key"


class TamperedError(AuthenticationError):
    """A stored value is not the one that was written there."""

    code = "tampered"


class CredentialError(AuthenticationError):
    """A tracker does not take the credential."""

    code = "credential_refused"


class InputNeeded(IssueTrackError):  # noqa: N818 - the condition's own name
    """A person would be asked here, and nobody can be."""

    code = "input_needed"


class NotFoundError(IssueTrackError):
    """What was named does not exist."""

    code = "not_found"


class RemoteUnreachable(IssueTrackError):  # noqa: N818 - the condition's own name
    """A tracker cannot be talked to, or must not be."""

    code = "remote_unreachable"


class RemoteAnswerError(RemoteUnreachable):
    """A tracker answers something other than its interface promises."""

    code = "remote_answer"


class ModelError(IssueTrackError):
    """A model is missing or cannot be used."""

    code = "model_unavailable"


class ModelFileError(ModelError):
    """A model file is missing, truncated or not the one expected."""

    def __init__(
        self,
        path: Path,
        reason: str,
        hint: str = REINSTALL,
    ) -> None:
        super().__init__(f"the model file {path.name} cannot be used: {reason}", hint)


class ContextOverflow(ModelError):  # noqa: N818 - the condition's own name
    """A request is longer than what the model can hold."""


class ModelCancelled(ModelError):  # noqa: N818 - the condition's own name
    """The model was told to stop."""


class StoreError(IssueTrackError):
    """The database cannot do what was asked."""

    code = "store"


class SchemaTooNew(StoreError):  # noqa: N818 - the condition's own name
    """The file was written by a newer program."""

    code = "schema_too_new"


class WorkspaceExists(StoreError):  # noqa: N818 - the condition's own name
    """There is a workspace already where one would be made."""

    code = "workspace_exists"


class DiskFull(StoreError):  # noqa: N818 - the condition's own name
    """The file system has no room."""

    code = "disk_full"


class ConflictError(StoreError):
    """Somebody else changed the same thing first."""

    code = "conflict"
