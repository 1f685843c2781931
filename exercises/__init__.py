"""The exercise sheets and `lab`, the small library that students receive."""
