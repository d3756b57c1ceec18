"""What comes from outside, damaged in every way: nothing but the documented refusal comes out."""
