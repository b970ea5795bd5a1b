"""What a run can track beside numbers: images, audio, text, distributions and figures."""

from runatlas.objects.audio import Audio
from runatlas.objects.distribution import Distribution
from runatlas.objects.figure import Figure
from runatlas.objects.image import Image
from runatlas.objects.text import Text
from runatlas.objects.trackable import Encoded, Trackable

__all__ = ["Audio", "Distribution", "Encoded", "Figure", "Image", "Text", "Trackable"]
