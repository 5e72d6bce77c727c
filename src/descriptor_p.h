// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_DESCRIPTOR_P_H
#define QTLOCKFILE_DESCRIPTOR_P_H

#include <utility>

#include <unistd.h>

namespace QtLockFile::Internal {

// Owns a file descriptor. Not for lock files, whose descriptors must not just be closed: see OpenFile.
class Descriptor
{
public:
    explicit Descriptor(int descriptor = -1) : m_descriptor(descriptor) { }
    Descriptor(Descriptor &&other) noexcept : m_descriptor(std::exchange(other.m_descriptor, -1)) { }
    Descriptor &operator=(Descriptor &&other) noexcept
    {
        std::swap(m_descriptor, other.m_descriptor);
        return *this;
    }
    ~Descriptor() { reset(); }

    bool isOpen() const { return m_descriptor >= 0; }
    int get() const { return m_descriptor; }
    int release() { return std::exchange(m_descriptor, -1); }
    void reset()
    {
        if (isOpen())
            ::close(std::exchange(m_descriptor, -1));
    }

private:
    int m_descriptor;
};

} // namespace QtLockFile::Internal

#endif
