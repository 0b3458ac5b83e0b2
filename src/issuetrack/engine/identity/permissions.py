"""What can be allowed."""

from enum import StrEnum


class Permission(StrEnum):
    """One thing that can be allowed."""

    IDENTIFY = "identify"
    READ = "read"
    SUGGEST = "suggest"
    RATE = "rate"
    EXPORT = "export"
    VERIFY = "verify"
    OWN_KEYS = "change own keys"
    WRITE_ISSUES = "write issues"
    IMPORT = "import"
    SYNC = "synchronise"
    PUSH = "push"
    INDEX = "index"
    BACKUP = "back up"
    MANAGE_SOURCES = "manage sources"
    USE_MODELS = "use models"
    CURATE_FIXES = "curate fixes"
    WRITE_SOPS = "write SOPs"
    APPROVE_SOPS = "approve SOPs"
    READ_FEEDBACK = "read feedback"
    BACKTEST = "backtest"
    MANAGE_POLICY = "manage policy"
    MANAGE_USERS = "manage users"
    MANAGE_KEYS = "manage keys"
    READ_AUDIT = "read the audit trail"
