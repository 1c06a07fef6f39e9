"""Step-level search (beam search, DVTS) over an engine and a process reward model."""

from ttstudy.search.costs import costs
from ttstudy.search.options import Options
from ttstudy.search.run import Counters, SearchResult, run

__all__ = ["Counters", "Options", "SearchResult", "costs", "run"]
