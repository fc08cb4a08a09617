"""Runs a recorded campaign again without a model and without a network, and compares: `nightshift replay CAMPAIGN`.

- records.py: a cassette and what it holds
- export.py: reads one out of the archive; order.py: in which order things happened there
- tape.py: cassettes as files, with their prompts redacted
- picture.py: an archive's campaign without ids and times, so that two can be compared; differences.py compares
- refusal.py: why a cassette does not fit
- world.py: what stands in for the models and the cognition base while a campaign is replayed
- play.py: the replay itself, through the same flow as any round; what_if.py: the same with another sampler
- command.py: what the commands print

docs/replay.md says what is compared, what is not, and what may differ.
"""
