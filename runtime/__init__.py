"""One way to run a network: OpenVINO on a CPU, torch on CUDA."""
