"""The course: write a GPT function by function, with tests as the teacher."""
