"""Reading sources into documents and chunks for the cognition base, and checking what is said to be quoted from them.

    sources.py    arXiv ids, URLs, files, folders and BibTeX lists -> what to read
    bibtex.py     the entries of a BibTeX file
    fetch.py      one page from the network, with limits and no way into private addresses
    reader.py     HTML and PDF to text; runs as a script in a process of its own and alone imports the parsers
    apart.py      starts that process
    documents.py  a document, its parts and its chunks
    quotes.py     whether a quote is in a source
    excerpts.py   items without a model: plain excerpts that say so

No model is asked here (tasks/librarian.py), and nothing is stored (flows/ingest.py).
"""
