"""Features of images: a network for photographs, that of the FID, and plain coefficients."""

from scalelib.features.base import FID_FEATURES, FeatureExtractor, distance_label
from scalelib.features.coefficients import CosineFeatures, PixelFeatures
from scalelib.features.inception import FIDInception, InceptionFeatures, download_inception
from scalelib.features.lite import EfficientNetLite0, LiteFeatures, lite_weights

__all__ = [
    "FID_FEATURES",
    "CosineFeatures",
    "EfficientNetLite0",
    "FIDInception",
    "FeatureExtractor",
    "InceptionFeatures",
    "LiteFeatures",
    "PixelFeatures",
    "distance_label",
    "download_inception",
    "lite_weights",
]
