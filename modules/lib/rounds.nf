// When one more round of weak boxes and training is worth it, and which round's detector is kept. A round is a map as ROUND emits it.

// F1 of a round's detector on the photos that it was stopped on, against the weak boxes of that round.
def held_out_f1(made) {
    def model = made.model.find { path -> path.name == 'model.json' }
    return new groovy.json.JsonSlurper().parse(model.toFile()).metrics.f1.value ?: 0
}

// Whether the last of these rounds (in order) is better than the one before; of a first round: whether it finds anything.
def improved(rounds) {
    return held_out_f1(rounds.last()) > (rounds.size() > 1 ? held_out_f1(rounds[-2]) : 0)
}

// The round to keep: the last, unless it is no better than the one before. No round follows one that is not.
def kept(rounds) {
    return rounds.size() == 1 || improved(rounds) ? rounds.last() : rounds[-2]
}
