"""The families of sound models, by name."""

from entoflow.wingbeat.family import Family


def by_name(name: str) -> Family:
    """Return a family: features, random_convolutions, or a network: image, rnn or transformer."""
    if name == "features":
        from entoflow.wingbeat.family_features import FeatureFamily

        return FeatureFamily()
    if name == "random_convolutions":
        from entoflow.wingbeat.family_random_convolutions import ConvolutionFamily

        return ConvolutionFamily()
    from entoflow.wingbeat.family_network import NetworkFamily

    return NetworkFamily(name)
