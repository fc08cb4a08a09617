"""A page on which a person sees what a strategy does to documents, rule by rule, and approves or rejects it.

sample.py    documents of a data set, or of the development corpus
trace.py     the text after each rule, from the sandbox
spans.py     which rule took which characters, by comparing the texts
outcome.py   dropped, over-deleted, changed, unchanged or failed
page.py      one HTML file; assets.py is its look and its script
"""
