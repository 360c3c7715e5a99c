"""Users of SageMaker endpoints: real-time and asynchronous inference."""
