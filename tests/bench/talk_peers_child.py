"""Run by the peers' interpreter: utterances of a meeting as JSON on stdin, features and times on stdout.

Utterances are [start, stop, speaker, group]. ConvoKit's TalkTimeSharing has the share of the talkative one of
two groups and who dominates each window of 2.5 minutes; team_comm_tools has the turn-taking index. That
package imports torch when it is opened, so the module of the index is loaded alone: the code is its own.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pandas
from convokit import Corpus, Speaker, Utterance
from convokit.talktimesharing import TalkTimeSharing

Row = tuple[float, float, str, str]


def talk_time_sharing(rows: list[Row]) -> dict[str, object]:
    """ConvoKit: how much the talkative group has of the talk, and who dominates each window."""
    speakers = {row[2]: Speaker(id=row[2]) for row in rows}
    corpus = Corpus(
        utterances=[
            Utterance(
                id=str(i),
                speaker=speakers[speaker],
                conversation_id="0",
                reply_to="0" if i else None,
                timestamp=start,
                text="said",
                meta={"start": start, "stop": stop, "utt_group": group},
            )
            for i, (start, stop, speaker, group) in enumerate(rows)
        ]
    )
    began = time.perf_counter()
    TalkTimeSharing(remove_first_last_utt=False).transform(corpus)
    seconds = time.perf_counter() - began
    found = corpus.get_conversation("0").meta
    return {"seconds": seconds, "share": found["balance_score"], "windows": found["balance_lst"]}


def turn_index(rows: list[Row]) -> dict[str, object]:
    """team_comm_tools: changes of speaker over changes of utterance."""
    package = ModuleType("team_comm_tools")
    package.__path__ = [str(Path(sysconfig.get_path("purelib")) / "team_comm_tools")]
    sys.modules["team_comm_tools"] = package
    from team_comm_tools.features.turn_taking_features import get_turn

    table = pandas.DataFrame({"conversation": "0", "speaker": [row[2] for row in rows]})
    began = time.perf_counter()
    found = get_turn(table, "conversation", "speaker")
    return {"seconds": time.perf_counter() - began, "index": float(found["turn_taking_index"].iloc[0])}


def main() -> None:
    """Both peers on the same utterances."""
    warnings.simplefilter("ignore")
    rows = [tuple(row) for row in json.load(sys.stdin)]
    answer = {
        "convokit": talk_time_sharing(rows),
        "team_comm_tools": turn_index(rows),
        "versions": {name: version(name) for name in ("convokit", "team_comm_tools", "pandas")},
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
