// Why an answer ended before its time.

export function reasonOf(response) {
  if (response.status === "cancelled") return { code: "cancelled", message: "The answer was stopped." };
  if (response.finishReason === "length") {
    return { code: "length", message: "The answer reached its greatest length and was cut off." };
  }
  return response.error ?? null;
}
