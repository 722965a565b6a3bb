"""The vision-language model, its encoders and decoder, and the bundles that carry trained weights."""
