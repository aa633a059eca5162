"""What `mcmc.py` draws with. Samplers import what they need when they need it."""

from importlib.util import find_spec

import numpy as np

CHAINS = 4


class Sampler:
    """Something that draws from a target.

    `modules` are imported before the clock runs; `prepare` compiles, and returns a
    function of a seed; `unpack` makes draws (chains, n, d) of what that returns, which
    is not counted.
    """

    modules = ()

    def __init__(self, target):
        self.target = target

    @classmethod
    def is_installed(cls):
        return all(find_spec(name.partition(".")[0]) for name in cls.modules)

    def takes(self):
        return True

    def unpack(self, raw):
        return raw


class Ours(Sampler):
    modules = ("sklgen.mcmc._chains", "sklgen.mcmc._user_density")

    def prepare(self):
        target = self.target
        density, frame = self.density()
        self.ask(density, np.zeros((CHAINS, target.n_dim)))
        return lambda seed: self.run(
            density, frame, seed, target.n_warmup, target.n_draws
        )

    def ask(self, density, x):
        """Let a density trace what it needs."""
        density.value_and_gradient(x)

    def run(self, density, frame, seed, n_warmup, n_draws):
        from sklgen.mcmc._chains import Settings, draw

        settings = Settings(n_chains=CHAINS, n_warmup=n_warmup, n_draws=n_draws)
        rng = np.random.default_rng(seed)
        return draw(density, self.target.n_dim, settings, rng, frame=frame).positions

    def given(self, function, *, grad=None, args=()):
        from sklgen.mcmc._user_density import density_of

        return density_of(
            function, self.target.n_dim, grad=grad, args=args, vectorized=True,
            n_threads=1,
        )  # fmt: skip


class OursNumpy(Ours):
    def density(self):
        return self.given(self.target.numpy, grad=True), None


class OursNumba(Ours):
    def density(self):
        function, args = self.target.compiled()
        return self.given(function, args=args), None


class OursTorch(Ours):
    modules = (*Ours.modules, "torch")

    def density(self):
        return self.target.torch()


class OursReadyMade(Ours):
    def takes(self):
        return hasattr(self.target, "ready_made")

    def density(self):
        return self.target.ready_made()


class OursEnsemble(Ours):
    def takes(self):
        return self.target.without_gradients and self.target.n_dim <= 30

    def density(self):
        return self.target.value, None

    def ask(self, density, x):
        density(x)

    def run(self, density, frame, seed, n_warmup, n_draws):
        from sklgen.mcmc._ensemble import sample_ensemble

        return sample_ensemble(
            density,
            self.target.n_dim,
            n_walkers=max(16, 4 * (self.target.n_dim + 1)),
            n_ensembles=CHAINS,
            n_warmup=n_warmup,
            n_steps=n_draws,
            rng=np.random.default_rng(seed),
        )

    def unpack(self, raw):
        return raw.positions


class InJax(Sampler):
    """Chains side by side or in turn, whichever is faster for the target."""

    def prepare(self):
        import jax

        jax.config.update("jax_enable_x64", True)  # noqa: FBT003
        chain, data = self.chain()

        def run(keys, *data):
            one = lambda key: chain(key, *data)
            return (
                jax.vmap(one)(keys) if self.target.together else jax.lax.map(one, keys)
            )

        keys = lambda seed: jax.random.split(jax.random.PRNGKey(seed), CHAINS)
        program = jax.jit(run).lower(keys(0), *data).compile()
        return lambda seed: jax.block_until_ready(program(keys(seed), *data))


class Numpyro(InJax):
    modules = ("numpyro.infer", "jax")
    dense = False

    def chain(self):
        from numpyro.infer import MCMC, NUTS

        model, data = self.target.numpyro()

        def chain(key, *data):
            run = MCMC(
                NUTS(model, dense_mass=self.dense),
                num_warmup=self.target.n_warmup,
                num_samples=self.target.n_draws,
                progress_bar=False,
            )
            run.run(key, *data)
            return run.get_samples()

        return chain, data

    def unpack(self, raw):
        return self.target.order({name: np.asarray(x) for name, x in raw.items()})


class NumpyroDense(Numpyro):
    dense = True


class Blackjax(InJax):
    modules = ("blackjax", "jax")
    dense = False

    def chain(self):
        import blackjax
        import jax

        log_density, data = self.target.jax()

        def chain(key, *data):
            density = lambda x: log_density(x, *data)
            start, warm_up, draw = jax.random.split(key, 3)
            x = jax.random.uniform(start, (self.target.n_dim,), minval=-2.0, maxval=2.0)
            windows = blackjax.window_adaptation(
                blackjax.nuts, density, is_mass_matrix_diagonal=not self.dense
            )
            (state, found), _ = windows.run(warm_up, x, self.target.n_warmup)
            kernel = blackjax.nuts(density, **found).step

            def step(state, key):
                state, _ = kernel(key, state)
                return state, state.position

            keys = jax.random.split(draw, self.target.n_draws)
            return jax.lax.scan(step, state, keys)[1]

        return chain, data

    def unpack(self, raw):
        return np.asarray(raw)


class BlackjaxDense(Blackjax):
    dense = True


class Nutpie(Sampler):
    modules = ("pymc", "nutpie")
    low_rank = False

    def prepare(self):
        import nutpie

        model = nutpie.compile_pymc_model(self.target.pymc(), backend="numba")

        # Its InferenceData would take about as long as the draws of eight schools.
        return lambda seed: nutpie.sample(
            model, tune=self.target.n_warmup, draws=self.target.n_draws, chains=CHAINS,
            cores=1, seed=seed, low_rank_modified_mass_matrix=self.low_rank,
            progress_bar=False, return_raw_trace=True,
        )  # fmt: skip

    def unpack(self, raw):
        import pyarrow

        batches, _ = raw.get_arrow_trace()
        draws = {}
        for name in batches[0].column_names:
            chains = []
            for batch in batches:
                column = pyarrow.array(batch.column(name))
                flat = column.flatten() if hasattr(column, "flatten") else column
                values = flat.to_numpy(zero_copy_only=False)
                chains.append(values.reshape(batch.num_rows, -1))
            values = np.stack(chains)[:, -self.target.n_draws :]
            draws[name] = values[..., 0] if values.shape[-1] == 1 else values
        return self.target.order(draws)


class NutpieLowRank(Nutpie):
    low_rank = True


class Emcee(Sampler):
    """As many ensembles as others have chains, with moves for correlated targets."""

    modules = ("emcee",)

    def takes(self):
        return self.target.without_gradients

    def prepare(self):
        return self.run

    def run(self, seed):
        import numpy as np
        from emcee import EnsembleSampler
        from emcee.moves import DEMove, DESnookerMove

        np.random.seed(seed)  # noqa: NPY002  what emcee draws from
        d, n = self.target.n_dim, max(32, 2 * (self.target.n_dim + 1))
        found, rng = [], np.random.default_rng(seed)
        for _ in range(CHAINS):
            ensemble = EnsembleSampler(
                n, d, self.target.value, vectorize=True,
                moves=[(DEMove(), 0.8), (DESnookerMove(), 0.2)],
            )  # fmt: skip
            start = rng.uniform(-2.0, 2.0, (n, d))
            state = ensemble.run_mcmc(start, self.target.n_warmup, store=False)
            ensemble.run_mcmc(state, self.target.n_draws // 5, thin_by=5)
            found.append(ensemble.get_chain().swapaxes(0, 1))
        return np.concatenate(found)


OURS = {
    "sklgen, NumPy": OursNumpy,
    "sklgen, numba": OursNumba,
    "sklgen, torch": OursTorch,
    "sklgen, ready-made": OursReadyMade,
    "sklgen, ensemble": OursEnsemble,
}
PEERS = {
    "numpyro, diagonal": Numpyro,
    "numpyro, dense": NumpyroDense,
    "blackjax, diagonal": Blackjax,
    "blackjax, dense": BlackjaxDense,
    "nutpie, diagonal": Nutpie,
    "nutpie, low rank": NutpieLowRank,
    "emcee, DE + snooker": Emcee,
}
SAMPLERS = OURS | PEERS
