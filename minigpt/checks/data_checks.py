"""Checks of texts and tasks: targets, splits, and right answers."""

import numpy as np

from minigpt.checks.core import Check, Line, equal, true


def _text(subject):
    text = "".join(chr(ord("a") + i % 26) + chr(ord("A") + i // 26 % 26) for i in range(1000))
    data = subject.TextData("alphabet", text)
    rng = np.random.default_rng(4)
    ids, targets = data.batch("train", rng, 4000, 9)
    val_ids, val_targets = data.batch("val", rng, 4000, 9)
    whole = {
        split: np.concatenate([row for _, targets in data.whole(split, 4, 9) for row in targets])
        for split in data.tokens
    }
    return {
        "ids": ids,
        "targets": targets,
        "round trip": data.tokenizer.decode(data.tokenizer.encode(text)) == text,
        "train": data.tokens["train"],
        "val": data.tokens["val"],
        "val ids": val_ids,
        "val targets": val_targets,
        "covered": whole,
        "text": data.tokenizer.encode(text),
    }


def _pieces(tokens, n: int) -> set[tuple]:
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


def _text_lines(got) -> list[Line]:
    both = np.concatenate([got["ids"], got["targets"][:, -1:]], axis=1)
    val_both = np.concatenate([got["val ids"], got["val targets"][:, -1:]], axis=1)
    drawn, val_drawn = set(map(tuple, both)), set(map(tuple, val_both))
    train, val = _pieces(got["train"], 10), _pieces(got["val"], 10)
    return [
        equal(
            "targets are the ids, shifted by one", got["targets"][:, :-1], got["ids"][:, 1:], 0.0
        ),
        true(
            "training batches come from the training split",
            drawn <= train,
            f"{len(drawn - train)} do not",
            "all do",
        ),
        true(
            "validation batches come from the validation split",
            val_drawn <= val,
            f"{len(val_drawn - val)} do not",
            "all do",
        ),
        true(
            "every position of the validation split is drawn",
            val_drawn == val,
            f"{len(val - val_drawn)} never",
            "each sometimes",
        ),
        equal(
            "the two splits are the text",
            np.concatenate([got["train"], got["val"]]),
            got["text"],
            0.0,
        ),
        equal("the first 90 % are for training", len(got["train"]), 1800, 0.0),
        *(
            equal(
                f"the whole {split} split: every token is a target once",
                got["covered"][split],
                got[split][1:],
                0.0,
            )
            for split in ("train", "val")
        ),
        true("decode(encode(text))", got["round trip"], got["round trip"], "the text"),
    ]


def _tasks(subject):
    outputs = {}
    for name in ("reverse", "sort", "add"):
        data = subject.load_task(name)
        prompts = {
            split: data.examples(split, np.random.default_rng(6), 300) for split in ("train", "val")
        }
        texts = [
            data.tokenizer.decode(prompt) + data.tokenizer.decode(answer)
            for split in prompts
            for prompt, answer in zip(*prompts[split], strict=True)
        ]
        ids, targets = data.batch("train", np.random.default_rng(6), 4, 32)
        outputs[name] = {
            "texts": texts,
            "shared": {t for t in texts[:300]} & {t for t in texts[300:]},
            "ids": ids,
            "targets": targets,
        }
        outputs[name]["answers"] = prompts["train"][1][:4]
        outputs[name]["short"] = _overlap(subject)
        outputs[name]["digits"] = set("".join(texts))
        outputs[name]["whole"] = [len(ids) for ids, _ in data.whole("val", 64, 32)]
        whole = {
            tuple(row)
            for ids, _ in data.whole("val", 64, 32)
            for row in ids[:, : data.prompt_length]
        }
        outputs[name]["whole leaks"] = len(
            whole
            & {tuple(row) for row in data.examples("train", np.random.default_rng(0), 3000)[0]}
        )
        outputs[name]["held out"] = subject.is_held_out(
            np.random.default_rng(0).integers(0, 10, (5000, 8))
        ).mean()
    return outputs


def _overlap(subject) -> int:
    """Return how many prompts training and validation share.

    The prompts have two digits, so there are only 100 of them.
    """
    data = subject.load_task("reverse:2")
    seen = [
        set(map(tuple, data.examples(split, np.random.default_rng(1), 2000)[0]))
        for split in ("train", "val")
    ]
    return len(seen[0] & seen[1])


def _solved(name: str, text: str) -> bool:
    prompt, answer = text.split("=")
    if name == "add":
        a, b = (int(digits[::-1]) for digits in prompt.split("+"))
        return int(answer[::-1]) == a + b and len(answer) == len(prompt) // 2 + 1
    return answer == (prompt[::-1] if name == "reverse" else "".join(sorted(prompt)))


def _task_lines(got) -> list[Line]:
    lines = []
    for name, facts in got.items():
        wrong = [text for text in facts["texts"] if not _solved(name, text)]
        n = facts["answers"].shape[1]
        lines += [
            true(f"{name}: answers that are wrong", not wrong, wrong[:1] or "none", "none"),
            true(
                f"{name}: digits that occur",
                set("0123456789") <= facts["digits"],
                "".join(sorted(facts["digits"])),
                "all ten",
            ),
            true(
                f"{name}: whole split",
                sum(facts["whole"]) == 1000,
                sum(facts["whole"]),
                "1000 examples",
            ),
            true(
                f"{name}: whole split's prompts in training",
                facts["whole leaks"] == 0,
                facts["whole leaks"],
                "0",
            ),
            true(
                f"{name}: held out",
                0.08 < facts["held out"] < 0.12,
                f"{facts['held out']:.3f}",
                "about a tenth",
            ),
            true(f"{name}: prompts in both splits", facts["short"] == 0, facts["short"], "0"),
            equal(
                f"{name}: targets of the answer", facts["targets"][:, -n:], facts["answers"], 0.0
            ),
            equal(
                f"{name}: targets of the prompt",
                facts["targets"][:, :-n],
                np.full_like(facts["targets"][:, :-n], -1),
                0.0,
            ),
            equal(
                f"{name}: targets are the ids, shifted by one",
                facts["targets"][:, -n:-1],
                facts["ids"][:, -n + 1 :],
                0.0,
            ),
        ]
    return lines


DATA = [
    Check(
        "data.text",
        "text: the target is the next token; training and validation share no token; a whole "
        "split is covered once",
        ("TextData",),
        inputs=lambda rng: {},
        call=_text,
        judge=_text_lines,
    ),
    Check(
        "data.tasks",
        "tasks: answers are right; only answers count; validation prompts never occur in training",
        ("load_task",),
        inputs=lambda rng: {},
        call=_tasks,
        judge=_task_lines,
    ),
]
