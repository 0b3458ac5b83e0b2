"""The LLM composer: asks a chat model, and goes on without it when it fails."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from issuetrack.engine.assistant import answers, prompts
from issuetrack.engine.assistant.composer import Composition
from issuetrack.engine.assistant.merging import Merged, merge
from issuetrack.engine.assistant.offers import Offer, offers
from issuetrack.engine.assistant.prompts import ANSWER_TOKENS, Prompt
from issuetrack.engine.assistant.sources import Source
from issuetrack.engine.assistant.traces import Asked
from issuetrack.engine.errors import ContextOverflow, ModelCancelled, ModelError
from issuetrack.engine.inference.ports import ChatModel, ChatRequest, Completion

ChosenModel = Callable[[], ChatModel | None]
SEED = 0
TIMEOUT = 120.0


@dataclass(frozen=True)
class Wish:
    """How an answer of a model is wanted.

    Attributes:
        model: ask one, where there is one.
        seed: equal seeds give equal answers.
        timeout: seconds after which the model is given up on.
        on_token: called with each piece of its answer as it comes, unverified; first
            with an empty one when the model is asked.
        on_quoted: called with what the evidence says in its own words, before a
            model is asked.
        cancel: when it is set the model stops.
    """

    model: bool = True
    seed: int = SEED
    timeout: float = TIMEOUT
    on_token: Callable[[str], None] | None = None
    on_quoted: Callable[[Composition], None] | None = None
    cancel: threading.Event | None = None


@dataclass(frozen=True)
class Drafted:
    """A suggestion, with or without the words of a model.

    Attributes:
        merged: the suggestion, and what of the model's words is not in it.
        asked: what the model was asked; None if it was not.
        warnings: why it was not asked, or what went less than well.
    """

    merged: Merged
    asked: Asked | None = None
    warnings: tuple[str, ...] = ()


def no_model() -> None:
    """Return None: no model was chosen."""


def drafted(
    chosen: ChosenModel,
    ticket: str,
    helpful: Sequence[Source],
    quoted: Composition,
    wish: Wish,
) -> Drafted:
    """Return a suggestion that a model helped with, or the quotes and the reason why.

    Args:
        chosen: gives the model that is asked.
        ticket: title and text of what is wrong.
        helpful: the sources that tell a fix, most relevant first.
        quoted: the extractive suggestion.
        wish: how the answer is wanted.
    """
    unchanged = Merged(quoted, ())
    try:
        model = chosen()
        if model is None:
            return Drafted(unchanged)
        offered = offers(helpful)
        prompt = _prompt(model, ticket, offered, model.context)
        asked = _asked(model, prompt, wish)
    except ModelError as error:
        return Drafted(unchanged, None, (_unused(error),))
    try:
        prompt, completion = _answered(model, ticket, offered, prompt, wish)
        asked = _asked(model, prompt, wish, completion)
        whole = completion.finish == "stop"
        answer = answers.read(completion.text, prompt.schema, whole=whole)
    except ModelError as error:
        return Drafted(unchanged, asked, (*_left_out(prompt, model), _unused(error)))
    merged = merge(quoted, offered[: len(prompt.exhibits)], answer)
    told = (*_left_out(prompt, model), *_told_of(model, merged, completion))
    return Drafted(merged, asked, told)


def _prompt(
    model: ChatModel, ticket: str, offered: Sequence[Offer], context: int
) -> Prompt:
    ranked = [offer.exhibit for offer in offered]
    prompt = prompts.build(model, ticket, ranked, context)
    if not prompt.exhibits:
        raise ContextOverflow(
            f"none of the evidence fits into the {context} tokens of {model.name}",
            "choose a model with more context: issuetrack models list",
        )
    return prompt


def _answered(
    model: ChatModel,
    ticket: str,
    offered: Sequence[Offer],
    prompt: Prompt,
    wish: Wish,
) -> tuple[Prompt, Completion]:
    """Return the model's words; one that counts its tokens otherwise is shown less."""
    if wish.on_token is not None:
        wish.on_token("")
    try:
        return prompt, _complete(model, prompt, wish)
    except ContextOverflow:
        less = _prompt(model, ticket, offered, model.context // 2)
        return less, _complete(model, less, wish)


def _complete(model: ChatModel, prompt: Prompt, wish: Wish) -> Completion:
    request = ChatRequest(
        prompt.messages, prompt.schema, wish.seed, ANSWER_TOKENS, wish.timeout
    )
    return model.complete(request, wish.on_token, wish.cancel)


def _asked(
    model: ChatModel, prompt: Prompt, wish: Wish, completion: Completion | None = None
) -> Asked:
    asked = (model.name, model.fingerprint, model.context, wish.seed)
    shown = len(prompt.exhibits)
    if completion is None:
        return Asked(*asked, prompt.messages, prompt.schema, shown)
    return Asked(
        *asked,
        prompt.messages,
        prompt.schema,
        shown,
        completion.text,
        completion.finish,
        completion.completion_tokens,
        completion.first_token,
        completion.seconds,
    )


def _unused(error: ModelError) -> str:
    if isinstance(error, ModelCancelled):
        return "the model was stopped; this is what the evidence says in its own words"
    remedy = f" ({error.hint})" if error.hint else ""
    return f"answered without the model: {error.message}{remedy}"


def _left_out(prompt: Prompt, model: ChatModel) -> tuple[str, ...]:
    lines = []
    if prompt.left_out:
        total = prompt.left_out + len(prompt.exhibits)
        lines.append(
            f"{prompt.left_out} of {total} pieces of evidence did not fit into the "
            f"{model.context} tokens of {model.name}; the least relevant were left out"
        )
    if prompt.ticket_cut:
        lines.append(f"{model.name} was shown only the start of the ticket")
    return tuple(lines)


def _told_of(
    model: ChatModel, merged: Merged, completion: Completion
) -> tuple[str, ...]:
    lines = []
    if completion.finish == "length":
        lines.append(f"{model.name} did not come to an end; what it said was read")
    if not merged.by_model:
        lines.append(
            f"nothing that {model.name} said is better borne out than the quotes shown"
        )
    return tuple(lines)
