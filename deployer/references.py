"""Where a secret comes from, as an inventory says it: a reference, never the secret. Nothing here reads one."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from deployer.hardware import Declared

#: Ways to read a secret; the first field of each in ``SecretSource``.
WAYS: Final = ("env", "file", "command", "age", "sops")

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
LocalPath = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,1024}$")]
ProgramWord = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,1024}$")]
#: sops takes no escapes in the names of what it extracts.
SopsKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@/ -]{1,128}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class SecretSource(Declared):
    """Where a secret is read on this machine: one of env, file, command, age and sops."""

    env: VariableName | None = None
    """Environment variable that holds it."""
    file: LocalPath | None = None
    """File that holds it and nothing else. Relative to the inventory file."""
    command: Annotated[tuple[ProgramWord, ...], Field(min_length=1)] | None = None
    """Program that prints it, as a list of words: [pass, show, shop/stripe]. Run beside the inventory file."""
    age: LocalPath | None = None
    """File encrypted by age; identity_file opens it. Relative to the inventory file."""
    identity_file: LocalPath | None = None
    """Key for age, not itself under a passphrase: ~/.config/age/key.txt. Relative to the inventory file."""
    sops: LocalPath | None = None
    """File encrypted by sops, which finds its own keys. Relative to the inventory file."""
    key: tuple[SopsKey | Annotated[int, Field(ge=0, le=9999)], ...] = ()
    """Way to the value in the file of sops: [shop, stripe_key]; left out: the whole file."""

    @property
    def way(self) -> str | None:
        """How it is read; None: it is read nowhere."""
        return next((way for way in WAYS if getattr(self, way) is not None), None)

    def __str__(self) -> str:
        """Say it in words that hold no secret: ``the environment variable STRIPE_KEY``."""
        match self.way:
            case "env":
                return f"the environment variable {self.env}"
            case "file":
                return f"the file {self.file}"
            case "command":
                return f"the command {' '.join(self.command or ())}"
            case "age":
                return f"{self.age} by age"
            case "sops":
                return f"{self.sops} by sops" + "".join(f"[{part}]" for part in self.key)
            case _:
                return "the host itself"

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        ways = [way for way in WAYS if getattr(self, way) is not None]
        if len(ways) > 1:
            raise ValueError(f"it can come from one place only, not from {' and '.join(ways)}")
        if not ways and self._must_be_read:
            raise ValueError(f"nothing says where it comes from; write one of {', '.join(WAYS)}")
        if (self.age is None) != (self.identity_file is None):
            raise ValueError("age and identity_file belong together")
        if self.key and self.sops is None:
            raise ValueError("key says where in a file of sops it is; write sops: FILE besides")
        return self

    @property
    def _must_be_read(self) -> bool:
        return True


class AppSecret(SecretSource):
    """A secret of an app by its name; with no word of where it comes from the host makes it."""

    name: SecretName
    """Name of the file in $CREDENTIALS_DIRECTORY."""

    @property
    def _must_be_read(self) -> bool:
        return False
