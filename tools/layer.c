/* Linked into every layer, so that a layer that is still headers only is a library too. */
extern const char signalbox_layer_marker;
