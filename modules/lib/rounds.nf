// When another round of weak boxes and training is worth it, and which round's detector is the
// best. A round is a map as ROUND emits it; rounds are in order.

// F1 of a round's detector on the photos that it was stopped on, against its weak boxes.
def held_out_f1(round) {
    def model = round.model.find { path -> path.name == 'model.json' }
    return new groovy.json.JsonSlurper().parse(model.toFile()).metrics.f1.value ?: 0
}

// Whether the last round is better than the one before; a first round: than nothing.
def is_improved(rounds) {
    def earlier_f1 = rounds.size() > 1 ? held_out_f1(rounds[-2]) : 0
    return held_out_f1(rounds.last()) > earlier_f1
}

// The last round, unless it is no better than the one before. No round follows one that is not.
def best_round(rounds) {
    return rounds.size() == 1 || is_improved(rounds) ? rounds.last() : rounds[-2]
}
