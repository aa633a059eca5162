"""Hidden Markov models, and mixtures of them."""
