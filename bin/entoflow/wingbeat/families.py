"""The families of sound models, by name: see family_training.py for what each gives."""


def of(name):
    """Return the family of a name: features, random_convolutions, image, rnn or transformer."""
    from entoflow.wingbeat import family_features, family_network, family_random_convolutions

    tables = {family.NAME: family for family in (family_features, family_random_convolutions)}
    return tables.get(name) or family_network.Family(name)
