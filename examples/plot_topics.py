"""
=================================================
Topics: what documents are about, and which alike
=================================================

Topic models of texts as counts of words: look at the topics, choose their number by
documents held out, place documents by what they share, cluster them, write new ones.
"""

# %%
# A collection of texts
# ---------------------
#
# SciPy's own documentation: one text for each function or class, which belongs to one
# of ten subpackages. The models do not see to which. Examples and formulas are cut out,
# and so are words that are in more than a quarter of the texts.

import importlib
import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.manifold import TSNE
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split

from sklgen.plotting import DocumentsDisplay, TopicsDisplay
from sklgen.topics import LatentDirichletAllocation, LDAMixture

PACKAGES = [
    "fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal",
    "sparse", "spatial", "stats",
]  # fmt: skip


def documentation(package):
    """The text of each function and class."""
    module = importlib.import_module(f"scipy.{package}")
    members = [getattr(module, name) for name in module.__all__]
    texts = {
        inspect.getdoc(member) or ""
        for member in members
        if inspect.isroutine(member) or inspect.isclass(member)
    }
    found = [re.split(r"Examples\n---", text)[0] for text in texts]
    found = [re.sub(r":\w+:`[^`]*`", "", text) for text in found]
    return sorted(text for text in found if len(text) > 300)


texts, packages = zip(
    *[(text, package) for package in PACKAGES for text in documentation(package)],
    strict=True,
)
packages = np.array(packages)
vectorizer = CountVectorizer(
    token_pattern=r"[a-z]{3,}", stop_words="english", min_df=8, max_df=0.25
)
X = vectorizer.fit_transform(texts)
words = vectorizer.get_feature_names_out()
print(f"{X.shape[0]} texts of {X.sum() / X.shape[0]:.0f} words, {len(words)} distinct")

# %%
# How many topics?
# ----------------
#
# Perplexity is one over the geometric mean of the probabilities of words in texts held
# out: at 100, words are as hard to guess as one of 100 that are equally likely. Lower
# is better. Coherence says how often the top words of a topic meet in one text: higher
# is better.

train, test = train_test_split(X, test_size=0.2, random_state=0, stratify=packages)
for n_topics in (1, 5, 10, 20, 40):
    model = LatentDirichletAllocation(n_topics, random_state=0).fit(train)
    coherence = model.coherence(train).mean()
    print(
        f"{n_topics:>3} topics: perplexity {model.perplexity(test):.1f}, "
        f"coherence {coherence:.3f}"
    )

# %%
# The topics
# ----------
#
# The top words of ten topics, with their probabilities. Titles have the share of all
# tokens that are from each.

topics = LatentDirichletAllocation(10, random_state=0).fit(X)
TopicsDisplay.from_estimator(topics, feature_names=words)

# %%
# A text and its topics:

text = next(text for text in texts if text.lstrip().startswith("Perform the Shapiro"))
(shares,) = topics.transform(vectorizer.transform([text]))
print(" ".join(text.split())[:150])
for topic in np.argsort(-shares)[:3]:
    print(f"{shares[topic]:.0%}", *topics.top_words(6, feature_names=words)[topic])

# %%
# Clusters of texts
# -----------------
#
# :class:`~sklgen.topics.LDAMixture` finds clusters of texts that use topics alike, from
# more topics than clusters. How far they agree with the subpackages, beside dominant
# topics, is said by a number that would be 1 for the same partition.

mixture = LDAMixture(10, n_topics=20, random_state=0).fit(X)
for name, labels in {
    "dominant topics": topics.predict(X),
    "clusters": mixture.predict(X),
}.items():
    agreement = normalized_mutual_info_score(packages, labels)
    print(f"{name} and subpackages: normalized mutual information {agreement:.2f}")

# %%
# Texts are near each other where they share topics. The same map twice: colours are
# subpackages, which nobody told the model, then clusters.

fig, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
for ax, y in zip(axes, [packages, None], strict=True):
    DocumentsDisplay.from_estimator(
        mixture, X, y, projection=TSNE(random_state=0), ax=ax
    )
axes[0].set_title("subpackages")
axes[1].set_title("clusters that were found")

# %%
# New texts
# ---------
#
# A sample is a bag of words, as long as a text may be. Here are the words that are most
# frequent in one from each of the three largest clusters.

rows, labels = mixture.sample_latent(1000, random_state=0)
for cluster in np.argsort(-mixture.weights_)[:3]:
    counts = rows[labels == cluster][0].toarray().ravel()
    print(*words[np.argsort(-counts, kind="stable")[:10]])

# %%
# Topics of one's own
# -------------------
#
# A matrix of priors seeds topics with words: here 50 tokens of each, before the data.
# Other topics fill in what is left.

seeds = {0: ["image", "pixel"], 1: ["variance", "null"], 2: ["fourier", "dft"]}
prior = np.full((10, len(words)), 0.05)
for topic, own in seeds.items():
    prior[topic, np.isin(words, own)] = 50.0
seeded = LatentDirichletAllocation(10, topic_word_prior=prior, random_state=0).fit(X)
for topic, own in enumerate(seeded.top_words(8, feature_names=words)[:3]):
    print(topic, *own)
