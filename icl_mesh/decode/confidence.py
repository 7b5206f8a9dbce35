"""How surely a joint is seen, and is this person's own: what a planner needs under occlusion.

A joint's confidence is its heatmap where the joint projects to, times the agreement of joint and
centre embeddings there: the cosine of P_C and P_J, negative values counted as 0. The contrastive
loss pulls own joints towards 1 and pushes other people away from it. A projection is easily one
cell off, so the best product of the 3x3 cells around it counts. Joints outside the image have 0.
src/confidence.cpp computes it.
"""

#: A joint counts as visible from this confidence on.
VISIBLE_CONFIDENCE = 0.25
