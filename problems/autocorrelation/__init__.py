"""The first autocorrelation inequality: a step function whose autoconvolution has a low peak."""
