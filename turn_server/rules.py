"""How long the turn server waits for a player, and how much it keeps."""

import msgspec

from turn_server.symbols import MAX_BODY_BYTES


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds, sizes in bytes."""

    pairing_seconds: float = 10.0
    """Between two requests of a player without a partner."""
    long_seconds: float = 180.0
    """The same for a player who registered with the long wait, from the registration to the end of the game."""
    loading_seconds: float = 30.0
    """Between two requests of a player who has a partner, until the game begins."""
    game_seconds: float = 20.0
    """Between two requests of a player in a game; and so long one whose partner has left can fetch the rest."""
    max_pairing_keys: int = 1_000
    max_game_keys: int = 500
    max_body_bytes: int = MAX_BODY_BYTES
    max_cache_bytes: int = 128 * 1024
    """What is kept for one player, until its counter releases it."""

    @property
    def longest_wait(self) -> float:
        return max(self.pairing_seconds, self.long_seconds, self.loading_seconds, self.game_seconds)
