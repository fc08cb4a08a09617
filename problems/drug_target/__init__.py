"""Drug-target interaction: evolve a model that says whether a molecule binds a protein (paper, section 5.4)."""
