"""From a new connection to an accepted device: which dialect it speaks, who it is, whether it can prove it."""

import logging
from typing import Final, Protocol

from connhandler import Busy, CentralTask
from connhandler.workers import Pool
from iot_manager.data import Data, parse_info
from iot_manager.devicehandler import DevicePeer, Stage
from iot_manager.dialects import GETINFO, PROBES, Dialect, DialectName, FramedDialect, detect
from iot_manager.errors import InvalidInfo
from iot_manager.keys import AUTH, NONCE_BITS, DeviceKeys, Key, is_signed, sign
from iot_manager.limits import Limits
from iot_manager.rawdialect import RawDialect
from iot_manager.speech import Speech

logger = logging.getLogger(__name__)

DIALECTS: Final[dict[str, type[Dialect]]] = {"raw": RawDialect, "framed": FramedDialect}


class Owner(Protocol):
    """What is asked of the manager's central task."""

    def accept(self, peer: DevicePeer, data: Data) -> None: ...

    def reject(self, peer: DevicePeer, reason: str) -> None: ...


class Admission:
    """Args:
    central: whose timers, randomness and `perform` it uses.
    owner: accepts or rejects.
    speech: says things to devices.
    valid_types: what a device may be.
    dialect: what they speak; "auto" to find out.
    limits: how long to wait, and how much to take.
    device_keys: who has one.
    keys_required: whether everybody must.
    pool: where a function for keys runs.
    """

    def __init__(
        self,
        central: CentralTask,
        owner: Owner,
        speech: Speech,
        *,
        valid_types: tuple[str, ...],
        dialect: DialectName,
        limits: Limits,
        device_keys: DeviceKeys | None,
        keys_required: bool,
        pool: Pool,
    ) -> None:
        self._central = central
        self._owner = owner
        self._speech = speech
        self._valid_types = frozenset(valid_types)
        self._dialect = dialect
        self._limits = limits
        self._device_keys = device_keys
        self._keys_required = keys_required
        self._pool = pool

    def ask(self, peer: DevicePeer) -> None:
        """Ask a new connection who it is."""
        if self._dialect == "auto":
            self._probe(peer, 0)
        else:
            peer.dialect = self._create_dialect(self._dialect)
            self._speech.say(peer, GETINFO, apart=True)

    def first_words(self, peer: DevicePeer, data: bytes) -> bytes:
        """Take what came while the dialect was not known; once it is, set `peer.dialect` and return all of it."""
        first = peer.first + data
        name = detect(first)
        if name == "auto":
            peer.first = first
            return b""
        peer.first = b""
        peer.dialect = self._create_dialect(name)
        peer.dialect.may_repeat_info = peer.probes > 1
        self.cancel(peer)
        return first

    def cancel(self, peer: DevicePeer) -> None:
        """Do not ask again."""
        if peer.timer is not None:
            peer.timer.cancel()
            peer.timer = None

    def info(self, peer: DevicePeer, info: bytes) -> None:
        """A device says who it is."""
        try:
            data = parse_info(info, self._valid_types)
        except InvalidInfo as error:
            self._owner.reject(peer, str(error))
            return
        assert peer.dialect is not None
        peer.dialect.uuid = data.uuid.encode()
        peer.info_size = len(info)
        if self._device_keys is None:
            self._look_at_key(peer, data, None)
        elif callable(self._device_keys):
            peer.stage = Stage.LOOKED_UP
            try:
                self._central.perform(
                    self._pool,
                    self._device_keys,
                    data.uuid,
                    then=lambda key, error: self._key_found(peer, data, key, error),
                )
            except Busy:
                self._owner.reject(peer, "too many devices at a time: try again later")
        else:
            self._look_at_key(peer, data, self._device_keys.get(data.uuid))

    def auth(self, peer: DevicePeer, digest: bytes) -> None:
        """A device answers to its challenge."""
        data, key, nonce = peer.challenge
        peer.challenge = None
        assert peer.dialect is not None
        peer.dialect.expects_auth = False
        if is_signed(digest, key, nonce, data.uuid):
            self._owner.accept(peer, data)
        else:
            self._owner.reject(peer, f"{data.uuid} has not proven its key")

    def _probe(self, peer: DevicePeer, number: int) -> None:
        peer.timer = None
        if peer.stage is not Stage.ASKED or peer.first:
            return
        peer.send(PROBES[number].data)
        peer.probes = number + 1
        if number + 1 < len(PROBES):
            seconds = PROBES[number + 1].after * self._limits.detection_seconds
            peer.timer = self._central.call_later(seconds, self._probe, peer, number + 1)

    def _create_dialect(self, name: str) -> Dialect:
        return DIALECTS[name](self._limits.info_bytes)

    def _key_found(self, peer: DevicePeer, data: Data, key: Key | None, error: BaseException | None) -> None:
        if peer.stage is not Stage.LOOKED_UP:
            return
        if error is not None:
            logger.error("the key of %s could not be looked for", data.uuid, exc_info=error)
            self._owner.reject(peer, "its key could not be looked for")
        else:
            self._look_at_key(peer, data, key)

    def _look_at_key(self, peer: DevicePeer, data: Data, key: Key | None) -> None:
        if key is not None:
            nonce = f"{self._central.random.getrandbits(NONCE_BITS):0{NONCE_BITS // 4}x}"
            try:
                sign(key, nonce, data.uuid)
            except (TypeError, ValueError) as error:
                logger.error("%s has no proper key: %s", data.uuid, error)
                self._owner.reject(peer, "its key is none")
                return
            assert peer.dialect is not None
            peer.stage, peer.challenge = Stage.CHALLENGED, (data, key, nonce)
            peer.dialect.expects_auth = True
            self._speech.say(peer, AUTH + nonce.encode(), apart=True)
        elif self._keys_required:
            self._owner.reject(peer, f"{data.uuid} has no key")
        else:
            self._owner.accept(peer, data)
