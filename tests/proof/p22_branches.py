"""P22: a branch loses nothing, and the current line is the way from the newest message to the root at every commit."""

import random
from collections import Counter

from proof.branching import Branching
from proof.place import Place
from proof.record import Record, proof
from support.cast import Caller
from support.stored import WRONG_PARENTS, Stored
from support.trees import STEPS, Gardener, differences

PROCESSES = 3
TREES, STEPS_A_TREE = 60, 60
COMPARED_EVERY = 5
THREADS, WRITES = 3, 4_000


@proof("P22", "A branch loses nothing; the current line is the way from the newest message to the root at every commit")
async def attack(place: Place, record: Record) -> None:
    servers = await place.serve(PROCESSES)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    callers = [place.at(ada, server) for server in servers]
    async with place.stored() as stored:
        done: Counter[str] = Counter()
        for _ in range(record.size(TREES, 3)):
            done += await grow_a_tree(callers, stored, record)
        for what in STEPS:
            record.need(done[what], f"steps: {what}", 1)
        branching = Branching(callers, stored, record)
        await branching.run(THREADS, record.size(WRITES, 300))


async def grow_a_tree(callers: list[Caller], stored: Stored, record: Record) -> Counter[str]:
    """Change a thread step by step, each through some process; look at what is stored after every step."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    gardener = Gardener((await callers[0].create_thread()).id, rng)
    done: Counter[str] = Counter()
    for number in range(1, STEPS_A_TREE + 1):
        what, wrong = await gardener.step(rng.choice(callers))
        done[what] += 1
        wrong += [f"a fork is wrong: {row}" for row in await stored.rows(WRONG_PARENTS)]
        if number % COMPARED_EVERY == 0:
            wrong += await differences(gardener.tree, rng.choice(callers), gardener.thread, rng)
            record.count("trees compared")
        record.count("steps")
        if wrong:
            record.violation(f"after {what}, step {number} of seed {seed}: {wrong[0]}")
            return done
    return done
