"""SageMaker's endpoints, simulated: what tells of them, and what answers at them."""
