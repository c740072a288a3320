"""Compares the rates of a server that keeps its jobs with those of one that does not, round by round."""
import statistics
import sys

rates = {}
for line in open(sys.argv[1]):
    turn, name, rate = line.split()
    rates.setdefault(name, {})[turn] = float(rate)
print("| jobs are kept in | tasks/s, median (lowest to highest) |\n|---|---|")
for name, of in rates.items():
    print(f"| {name} | {statistics.median(of.values()):,.0f} ({min(of.values()):,.0f} to {max(of.values()):,.0f}) |")
costs = [100 * (1 - rates["sqlite"][turn] / rates["memory"][turn]) for turn in rates["memory"]]
cost = statistics.median(costs)
print(f"\nThe store costs {cost:.1f} % ({min(costs):.1f} to {max(costs):.1f}) of the rate. Target: at most 10 %. "
      + ("Met." if cost <= 10 else "**Missed.**"))
