import { BASE } from "../lib/router";
import { Title } from "../ui/bits";

export function NotFound({ what = "This page does not exist." }: { what?: string }) {
  return (
    <div class="page blank-page">
      <Title text="Not found" />
      <p>{what}</p>
      <p><a href={BASE}>All devices</a></p>
    </div>
  );
}
