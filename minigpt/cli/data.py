"""List, get and show data sets.

minigpt data list                 what there is, and what is already here
minigpt data get shakespeare      download, with a checksum, into the cache
minigpt data show python-docs     how it begins, its size, its characters
minigpt data show python-docs --tokenizer bpe   how byte-level BPE cuts it
"""

import argparse

import numpy as np

from minigpt.cli.arguments import one_of, whole
from minigpt.cli.train import add_tokenizer, tokenizer_maker
from minigpt.text import sources
from minigpt.text.data import load_data
from minigpt.text.synthetic import TASKS, TaskData


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="list|get|show", required=True)
    verbs.add_parser("list", help="what there is")
    getter = verbs.add_parser("get", help="download a data set")
    getter.add_argument("name", **one_of(sources.DOWNLOADS), help="which")
    shower = verbs.add_parser("show", help="how a data set begins")
    shower.add_argument(
        "name", metavar="NAME_OR_PATH", help="a name of the list, a file, or a folder"
    )
    shower.add_argument(
        "--characters",
        type=whole(1),
        default=400,
        metavar="N",
        help="how much to show (default: 400)",
    )
    add_tokenizer(shower, said="char")


def run(args: argparse.Namespace) -> int:
    {"list": show_list, "get": get, "show": show}[args.verb](args)
    return 0


def show_list(args: argparse.Namespace) -> None:
    for name, source in sources.SOURCES.items():
        is_here = name not in sources.DOWNLOADS or (sources.cache_folder() / f"{name}.txt").exists()
        print(f"{name:14s} {source.about}{'' if is_here else f' (minigpt data get {name})'}")
    for name, task in TASKS.items():
        print(f"{name:14s} generated task: {task.about}")
    print(
        "a path         your own text file, or a folder of .txt, .md, .rst and .py files, in UTF-8"
    )


def get(args: argparse.Namespace) -> None:
    print(f"{args.name}: {sources.get(args.name)}, checksum right")


def show(args: argparse.Namespace) -> None:
    data = load_data(args.name, tokenizer_maker(args))
    if isinstance(data, TaskData):
        show_task(data)
        return
    tokenizer, train, val = data.tokenizer, data.tokens["train"], data.tokens["val"]
    # a token is a character at least, or some bytes of one
    text = tokenizer.decode(train[: args.characters])[: args.characters]
    print(text)
    print("...")
    if tokenizer.kind == "bpe":
        print("how it is cut: " + " ".join(tokenizer.symbol(i) for i in tokenizer.encode(text)))
    print(f"{len(train) + len(val):,} {tokenizer.unit}, {tokenizer.details()}")
    print(
        f"{len(train):,} for training, {len(val):,} for validation; "
        f"{data.bytes_per_token('train'):.2f} bytes each"
    )


def show_task(data: TaskData) -> None:
    prompts, answers = data.examples("train", np.random.default_rng(0), 5)
    for prompt, answer in zip(prompts, answers, strict=True):
        print(data.tokenizer.decode(prompt) + data.tokenizer.decode(answer))
