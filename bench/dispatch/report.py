"""Prints the rates of the three, and how far ahead the first is."""
import statistics
import sys

rates = {}
for line in open(sys.argv[1]):
    peer, rate = line.split()
    rates.setdefault(peer, []).append(float(rate))
files, others = int(sys.argv[2]), int(sys.argv[3])
names = {
    "spillway": f"Spillway, durable, two nodes, {files:,} tasks",
    "celery": f"Celery and Redis, two workers, {others:,} tasks",
    "distributed": f"Dask distributed, two workers, {others:,} tasks",
}
middle = {peer: statistics.median(of) for peer, of in rates.items()}
best = max(middle["celery"], middle["distributed"])
print("| | tasks/s, median (lowest to highest) | × |\n|---|---|---|")
for peer, of in rates.items():
    print(f"| {names[peer]} | {middle[peer]:,.0f} ({min(of):,.0f} to {max(of):,.0f}) | {middle[peer] / best:.1f} |")
print(f"\nTarget: Spillway at least 20 × the better of the two. {'Met.' if middle['spillway'] >= 20 * best else '**Missed.**'}")
