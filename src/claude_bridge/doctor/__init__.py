"""The doctor: asks a backend on purpose what the bridge would else learn by accident, and says what to change."""
