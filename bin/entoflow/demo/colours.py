"""The colours, RGB, that synthetic specimens are drawn in."""

BLACK = (28, 25, 24)
WHITE = (238, 236, 228)
CREAM = (222, 206, 168)
YELLOW = (232, 192, 52)
ORANGE = (222, 122, 38)
RED = (186, 44, 36)
BROWN = (96, 66, 44)
TAN = (168, 132, 88)
RUST = (146, 76, 42)
GREEN = (78, 140, 62)
OLIVE = (112, 114, 58)
TEAL = (44, 108, 104)
BLUE = (48, 72, 140)
PURPLE = (94, 58, 100)
GREY = (136, 132, 126)
SLATE = (70, 74, 84)
ROSE = (200, 132, 138)
SKY = (120, 160, 206)

INKS = (BLACK, WHITE, CREAM, YELLOW, ORANGE, RED, BROWN, TEAL, BLUE)  # of motifs
EYES = ((122, 32, 28), (54, 36, 30), (70, 96, 60), (40, 40, 46))
GLOSSY = (BLACK, BROWN, SLATE, GREEN, TEAL, BLUE, PURPLE, RUST)  # of beetles
