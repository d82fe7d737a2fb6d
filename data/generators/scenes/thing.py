"""Base class of all things that stand in a scene, and their painting order."""

import heapq

import numpy as np

KERB = 0.12  # height of sidewalks and lots above the road, in metres


class Thing:
    """A thing. ``box`` is its bounding box: lowest and highest corner, in metres.

    A thing makes all random choices in its constructor and none in ``draw``,
    so a scene does not depend on the image size.
    """

    casts_shadow = True

    def __init__(self, low, high):
        self.box = np.array([low, high], float)

    def draw(self, canvas):
        raise NotImplementedError

    def shadow_points(self):
        """Return the world points whose projections onto the ground bound the shadow."""
        return box_corners(self.box)

    def cast_shadow(self, canvas):
        if self.casts_shadow:
            points = self.shadow_points()
            sun = canvas.light.sun_direction
            on_ground = points - points[:, 1:2] * sun / sun[1]
            canvas.add_shadow(on_ground)


def box_corners(box):
    return np.array(
        [[box[i, 0], box[j, 1], box[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    )


def far_to_near(things, eye):
    """Sort things for the painter's algorithm: a thing comes after all that it can hide.

    Thing a can hide b if a plane between their boxes has the eye on the side
    of a, and no such plane has the eye on the side of b. A topological sort of
    these pairs, the farthest thing first, gives the order.
    """
    low = np.array([thing.box[0] for thing in things])
    high = np.array([thing.box[1] for thing in things])
    nearest = np.clip(eye, low, high)
    distance = np.linalg.norm(nearest - eye, axis=1)
    slack = 1e-6
    hides = np.zeros((len(things), len(things)), bool)
    for axis in range(3):
        above = low[None, :, axis] >= high[:, None, axis] - slack
        below = high[None, :, axis] <= low[:, None, axis] + slack
        hides |= above & (eye[axis] <= low[None, :, axis])
        hides |= below & (eye[axis] >= high[None, :, axis])
    hides = hides & ~hides.T
    overlapping = ((low[None] < high[:, None] - slack) & (high[None] > low[:, None] + slack)).all(
        -1
    )
    hides |= overlapping & (distance[:, None] < distance[None])
    behind = hides.sum(1)
    queue = [(-distance[i], i) for i in range(len(things)) if not behind[i]]
    heapq.heapify(queue)
    order, left = [], set(range(len(things)))
    while left:
        if queue:
            i = heapq.heappop(queue)[1]
        else:
            i = max(left, key=lambda k: (distance[k], k))
        if i not in left:
            continue
        left.remove(i)
        order.append(things[i])
        for j in np.nonzero(hides[:, i])[0].tolist():
            behind[j] -= 1
            if not behind[j] and j in left:
                heapq.heappush(queue, (-distance[j], j))
    return order
