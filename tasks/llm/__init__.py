"""Access to language models: any server that speaks the OpenAI chat protocol, every answer paid for once.

    settings.py   which model serves which role, and its limits
    forms.py      how an answer is asked for and read: JSON schema, or plain-text tags
    ledger.py     where answers are kept
    budget.py     reserves before it spends
    prices.py     the dated list of public prices (prices.toml)
    rate.py       requests per minute and at once, by address
    server.py     one request with its retries; imports openai
    model.py      `Model.ask`, which puts them together

It does not write prompts (tasks/prompts) and knows no domain. Importing it does not import openai.
"""

from tasks.llm.budget import Budget, BudgetExhausted, BudgetLimits, Spent
from tasks.llm.ledger import Ledger, MemoryLedger
from tasks.llm.model import Answer, Model, NoRecordedAnswer, require_prices
from tasks.llm.prices import Price
from tasks.llm.rate import Rate, Rates, RateSettings
from tasks.llm.server import ModelMisconfigured, ModelServerDown
from tasks.llm.settings import Message, ModelSettings, Role

__all__ = [
    "Answer",
    "Budget",
    "BudgetExhausted",
    "BudgetLimits",
    "Ledger",
    "MemoryLedger",
    "Message",
    "Model",
    "ModelMisconfigured",
    "ModelServerDown",
    "ModelSettings",
    "NoRecordedAnswer",
    "Price",
    "Rate",
    "RateSettings",
    "Rates",
    "Role",
    "Spent",
    "require_prices",
]
