"""Let a trained model write. The text appears as it is made.

  minigpt generate
      the small model that comes with minigpt (its name is prose)
  minigpt generate runs/demo --prompt "The "
      draw each token from the model's probabilities
  minigpt generate runs/demo --greedy
      always take the most likely token; this soon repeats itself
  minigpt generate runs/demo --temperature 0.5 --top-p 0.9
      safer, without the unlikely tokens

The same --seed writes the same text.
"""

import argparse
import sys

from minigpt.cli.arguments import add_ops, number, whole
from minigpt.generation.sampling import stream
from minigpt.model import GPT
from minigpt.text.tokenizer import StreamDecoder, Tokenizer
from minigpt.training.checkpoint import open_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_dir",
        metavar="RUN",
        nargs="?",
        help="a run of `minigpt train`, or a checkpoint's directory (default: prose, in data/)",
    )
    parser.add_argument(
        "--prompt",
        metavar="TEXT",
        help="what it goes on from (default: The, with a space; for a task: digits)",
    )
    parser.add_argument(
        "--max-new-tokens",
        type=whole(1),
        default=300,
        metavar="N",
        help="how much it writes (default: 300)",
    )
    parser.add_argument(
        "--greedy",
        action="store_true",
        help="always the most likely token; ignores --temperature, --top-k and --top-p",
    )
    parser.add_argument(
        "--temperature",
        type=number(0.0, open_below=True),
        default=0.8,
        metavar="X",
        help="below 1 safer, above 1 wilder (default: 0.8)",
    )
    parser.add_argument("--top-k", type=whole(1), metavar="K", help="only the K most likely tokens")
    parser.add_argument(
        "--top-p",
        type=number(0.0, 1.0, open_below=True),
        metavar="P",
        help="only the most likely tokens that together reach P",
    )
    parser.add_argument("--stop", metavar="TEXT", help="stop before this text would be written")
    parser.add_argument(
        "--num-return-sequences",
        type=whole(1),
        default=1,
        metavar="N",
        help="how many texts (default: 1)",
    )
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="of the draws (default: 0)"
    )
    add_ops(parser)


def run(args: argparse.Namespace) -> int:
    _, model, tokenizer = open_model(args.run_dir, args.ops)
    prompt = default_prompt(tokenizer) if args.prompt is None else args.prompt
    if not prompt:
        raise ValueError("--prompt is empty, but must have at least one character to go on from")
    if args.greedy and args.num_return_sequences > 1:
        raise ValueError(
            "--num-return-sequences: greedy texts are all the same; leave out --greedy"
        )
    if args.stop == "":
        raise ValueError("--stop is empty, but must have at least one character")
    for n in range(args.num_return_sequences):
        write(
            model, tokenizer, prompt, args.max_new_tokens, args.temperature, args.top_k, args.top_p,
            seed=args.seed + n, do_sample=not args.greedy, stop=args.stop,
        )  # fmt: skip
        print()
    return 0


def default_prompt(tokenizer: Tokenizer) -> str:
    """Something to go on from, of characters that the model knows."""
    known = (prompt for prompt in ("The ", "12345678=") if tokenizer.knows(prompt))
    return next(known, tokenizer.decode([tokenizer.vocab_size - 1]))


def write(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    do_sample: bool = True,
    stop: str | None = None,
) -> None:
    """Print the prompt and what follows, as it is made.

    Shown too early is neither half a character nor a beginning of `stop`.
    """
    ids = tokenizer.encode_prompt(prompt)[None]  # (1, T)
    decoder, text, shown, begun = StreamDecoder(tokenizer), "", 0, False
    for token in stream(
        model, ids, max_new_tokens, do_sample, temperature, top_k, top_p, seed=seed
    ):
        if not begun:  # only now: an error in the first step comes before any text
            print(tokenizer.decode(ids[0]), end="", flush=True)
            begun = True
        text += decoder.feed(token)
        if stop and stop in text:
            sys.stdout.write(text[shown : text.index(stop)])
            sys.stdout.flush()
            return
        safe = len(text) - held_back(text, stop)
        sys.stdout.write(text[shown:safe])
        sys.stdout.flush()
        shown = max(shown, safe)
    sys.stdout.write(text[shown:] + decoder.finish())


def held_back(text: str, stop: str | None) -> int:
    """How many of the last characters might be the beginning of `stop`."""
    lengths = range(min(len(stop or "") - 1, len(text)), 0, -1)
    return next((n for n in lengths if stop.startswith(text[-n:])), 0)
