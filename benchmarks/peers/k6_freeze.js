// k6, open model: constant arrival rate. URL, RATE, SECONDS and VUS from the environment.
import http from "k6/http";

const vus = Number(__ENV.VUS);

export const options = {
  scenarios: {
    load: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE),
      timeUnit: "1s",
      duration: `${__ENV.SECONDS}s`,
      preAllocatedVUs: vus,
      maxVUs: vus,
    },
  },
  summaryTrendStats: ["p(50)", "p(99)", "max", "count"],
};

export default function () {
  http.get(__ENV.URL);
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics) };
}
