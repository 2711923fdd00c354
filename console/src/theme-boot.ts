// Runs before the first paint, so that a remembered theme does not flash the other one.
import { applyTheme, rememberedTheme } from "./lib/theme";

applyTheme(rememberedTheme());
