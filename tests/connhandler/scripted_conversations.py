"""Long conversations with the central tasks of the programs, always the same, and the state that each step leaves.

    python -m tests.connhandler.scripted_conversations SEED FOLDER

prints a JSON object: for each program its states, one for each step. SEED is that of the central tasks; what is said
depends on nothing but the answers.
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from game_server import protocol as game
from game_server_launcher import protocol as controlling
from login_server import protocol as login
from tests.game_server.conftest import Hall
from tests.game_server_launcher.conftest import World, chess
from tests.login_server.conftest import House

STEPS = 300
SERVERS = ["home/one", "home/two", "away/one"]
NAMES = [f"player{number}" for number in range(8)]

State = dict[str, Any]


def match_facts(generator: random.Random, match_id: str) -> list[Any]:
    """Something that may happen in a match."""
    players = NAMES[:2]
    scores = {player: generator.randrange(5) for player in players}
    result = login.MatchResult(winner=players[0], scores=scores, reason="won", ended_at=1e6)
    return generator.choice(
        [
            [login.MatchStarted(match_id=match_id, players=players)],
            [login.PlayerJoined(match_id=match_id, player=generator.choice(players))],
            [login.PlayerLeft(match_id=match_id, player=generator.choice(players))],
            [login.ScoreChanged(match_id=match_id, scores=scores)],
            [login.TeamsChanged(match_id=match_id, teams={"red": players})],
            [login.MatchTimeChanged(match_id=match_id, elapsed_seconds=generator.randrange(100))],
            [login.MatchEnded(match_id=match_id, players=players, result=result)],
        ]
    )


def talk_to_login_server(seed: int, folder: Path) -> list[State]:
    """Players who come, look for matches and go; launchers whose servers come and go."""
    generator = random.Random(1)
    house = House(folder, seed)
    players: dict[str, Any] = {}
    launchers: dict[str, Any] = {}
    known: set[str] = set()

    def player_step(name: str) -> None:
        if name not in players:
            players[name] = house.log_in(name) if name in known else house.player(name)
            known.add(name)
            return
        wish = login.FindMatch(
            game=generator.choice(["fourinarow", "fourinarow", "chess"]),
            players=2,
            partner=generator.choice(["", "", "", "", generator.choice(NAMES)]),
        )
        said = generator.choice(
            [wish, wish, wish, login.CancelMatch(), login.JoinServer(server_id=generator.choice(SERVERS)), None]
        )
        if said is None:
            players.pop(name).disconnects(house.server)
        else:
            house.tell(players[name], said)

    def launcher_step(server_id: str) -> None:
        name = server_id.partition("/")[0]
        if name not in launchers:
            launchers[name] = house.launcher(name)
            return
        info = house.info(server_id, players=generator.randrange(2), map=generator.choice(["classic", "wide"]))
        said = generator.choice(
            [[login.RegisterServer(server=info)]] * 5
            + [[login.UpdateServer(server=info)], [login.UnregisterServer(server_id=server_id)], None]
            + [match_facts(generator, generator.choice([*house.server.state()["running"], "match-0"]))] * 8
        )
        if said is None:
            launchers.pop(name).disconnects(house.server)
            return
        for message in said:
            if hasattr(message, "match_id"):
                message.server_id = server_id
        house.tell(launchers[name], *said)

    states = []
    for _ in range(STEPS):
        match generator.randrange(4):
            case 0:
                house.pass_time(generator.uniform(0, 10))
            case 1:
                launcher_step(generator.choice(SERVERS))
            case _:
                player_step(generator.choice(NAMES))
        states.append(house.server.state())
    house.close()
    return states


def talk_to_game_server() -> list[State]:
    """Players who take seats, play, lose their connections and come back, or do not."""
    generator = random.Random(1)
    hall = Hall(max_games=10)
    seated: list[Any] = []

    def step() -> None:
        match generator.randrange(8):
            case 0 | 1:
                match_id = generator.choice(["m1", "m2", "m3", "*"])
                seated.append(hall.join(generator.choice(["alice", "bob"]), match_id))
            case 2 if seated:
                seated.pop(generator.randrange(len(seated))).disconnects(hall.listener)
            case 3:
                hall.pass_seconds(generator.uniform(0, 50))
            case 4 if seated and generator.random() < 0.2:
                hall.say(generator.choice(seated), game.Resign())
            case _ if seated:
                hall.say(generator.choice(seated), game.Drop(column=generator.randrange(7)))

    states = []
    for _ in range(STEPS):
        step()
        seated[:] = [connection for connection in seated if not connection.disconnected]
        states.append({one.game_id: msgspec.to_builtins(one.state()) for one in hall.listener.games})
    hall.close()
    return states


def talk_to_launcher(folder: Path) -> list[State]:
    """Game servers that start, tell of matches and crash; a login server that comes and goes."""
    generator = random.Random(1)
    world = World(folder, [chess(), chess(name="five")], figures_seconds=1e9)
    world.begin()
    controllers: dict[str, Any] = {}
    login_servers: list[Any] = []

    def step(server: str) -> None:
        if generator.random() < 0.1:
            world.advance(generator.uniform(0, 30))
        elif generator.random() < 0.1:
            if login_servers:
                login_servers.pop().disconnects(world.launcher)
            else:
                login_servers.append(world.login_server())
        elif ("start", server, world.runner.runs[server].number) in world.runner.asked:
            world.runner.asked.remove(("start", server, world.runner.runs[server].number))
            controllers[server] = world.ready(server)
        elif server in controllers:
            tell(server)
        world.settle()

    def tell(server: str) -> None:
        said: list[Any] = generator.choice(
            [
                [controlling.PlayerCountChanged(players=generator.randrange(5))],
                [controlling.TicketUsed(ticket_id=f"t{generator.randrange(100)}", expires_at=world.clock() + 60)],
                *[match_facts(generator, generator.choice(["m1", "m2", "m3"]))] * 4,
                [],
            ]
        )
        controllers[server].receives(world.launcher, *said)
        if not said and generator.random() < 0.3:
            controllers.pop(server).disconnects(world.launcher)
            world.process_exited(1, server)

    states = []
    for _ in range(STEPS):
        step(generator.choice(["four", "five"]))
        states.append(world.launcher.state())
    world.launcher.stop()
    world.settle()
    world.close()
    return states


def main(seed: int, folder: Path) -> dict[str, list[State]]:
    conversations: dict[str, Callable[[], list[State]]] = {
        "login_server": lambda: talk_to_login_server(seed, folder),
        "game_server": talk_to_game_server,
        "game_server_launcher": lambda: talk_to_launcher(folder / "run"),
    }
    return {name: talk() for name, talk in conversations.items()}


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1]), Path(sys.argv[2])), sys.stdout)
