"""Networks of ours as graphs of ONNX: one function for each kind of layer, and what puts them together."""
