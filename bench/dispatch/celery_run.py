"""Submits N tasks to Celery in one group and waits for all results; prints tasks/s."""
import sys
import time

from celery import group
from celery_tasks import nothing

n = int(sys.argv[1])
group(nothing.s(i) for i in range(50)).apply_async().get(timeout=60)  # the workers are up
start = time.perf_counter()
results = group(nothing.s(i) for i in range(n)).apply_async().get(timeout=600)
took = time.perf_counter() - start
assert results == list(range(n))
print(n / took)
